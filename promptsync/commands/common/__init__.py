"""What verbs have in common: their options and questions, and the parts of verbs that are long."""
