"""One file per verb: declare options, call the library, hand the result to output."""
