"""ZIP archives. An uploaded one may contain anything."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping

from promptsync.server.http.answer import malformed
from promptsync.server.skills.files import MAX_TOTAL

MAX_ENTRIES = 1000

_ENTRY = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    # What ``zipfile`` raises for impossible numbers and flags, and for encrypted files.
    *(ValueError, OverflowError, RuntimeError),
)
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_archive(data: bytes | None) -> dict[str, bytes]:
    """Return the files of an archive, if any, by their unchecked names; 400 if it exceeds a limit."""
    if data is None:
        return {}
    # Reading the directory needs much more memory than its size.
    if data.count(_ENTRY) > MAX_ENTRIES:
        raise malformed(f"The archive has more than {MAX_ENTRIES:,} entries.")
    files: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            # ``zipfile`` never returns more of a file than its size in the directory.
            if sum(entry.file_size for entry in entries) > MAX_TOTAL:
                raise malformed(f"The files of the archive have more than {MAX_TOTAL:,} bytes in total.")
            for entry in entries:
                # ``filename`` ends at the first NUL.
                name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
                if name in files:
                    raise malformed(f"The archive has two files called {name[:100]!r}.")
                if kind not in (0, stat.S_IFREG) or entry.compress_type not in _METHODS:
                    raise malformed(
                        f"{name[:100]!r} in the archive is not a plain file that is stored or deflated: "
                        "links and other methods are not supported."
                    )
                with archive.open(entry) as file:
                    files[name] = file.read(entry.file_size)
    except _UNREADABLE as error:
        raise malformed(f"The archive cannot be read as a ZIP file: {error}.") from error
    return files


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of the files. The same files always produce the same bytes."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return data.getvalue()
