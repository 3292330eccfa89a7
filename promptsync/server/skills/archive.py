"""ZIP archives. An uploaded one may contain anything."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping

from promptsync.server.http.answer import ApiError, malformed

MAX_ENTRIES = 1000
MAX_FILE = 5 * 1024 * 1024
MAX_TOTAL = 32 * 1024 * 1024

_ENTRY = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ODD_NUMBERS = (ValueError, OverflowError, RuntimeError)
"""What ``zipfile`` raises for impossible numbers and flags."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_archive(data: bytes | None) -> dict[str, bytes]:
    """Return the files of an archive, if any, by their unchecked names; 400 if it exceeds a limit."""
    if data is None:
        return {}
    # Reading the directory needs much more memory than its size.
    if data.count(_ENTRY) > MAX_ENTRIES:
        raise malformed(f"The archive has more than {MAX_ENTRIES:,} entries.")
    files: dict[str, bytes] = {}
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                # ``filename`` ends at the first NUL.
                name = entry.orig_filename
                if name in files:
                    raise malformed(f"The archive has two files called {name[:100]!r}.")
                files[name] = _content(archive, entry)
                total += len(files[name])
                if total > MAX_TOTAL:
                    raise too_much()
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, *_ODD_NUMBERS) as error:
        raise malformed(f"The archive cannot be read as a ZIP file: {error}.") from error
    return files


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    shown = repr(entry.orig_filename[:100])
    if kind not in (0, stat.S_IFREG):
        raise malformed(f"{shown} in the archive is a link or a special file.")
    if entry.flag_bits & 0x1:
        raise malformed(f"{shown} in the archive is encrypted.")
    if entry.compress_type not in _METHODS:
        raise malformed(f"{shown} in the archive is compressed with a method other than deflate.")
    with archive.open(entry) as file:
        # The size in the directory may be wrong.
        content = file.read(MAX_FILE + 1)
    check_size(entry.orig_filename, content)
    return content


def check_size(name: str, content: bytes) -> None:
    """Raise a 400 for a file that is too large."""
    if len(content) > MAX_FILE:
        raise malformed(f"The file {name[:100]!r} is larger than {MAX_FILE:,} bytes.")


def too_much() -> ApiError:
    """Return the error for files that are too large in total."""
    return malformed(f"The files of the collection are larger than {MAX_TOTAL:,} bytes in total.")


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of the files. The same files always produce the same bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return data.getvalue()
