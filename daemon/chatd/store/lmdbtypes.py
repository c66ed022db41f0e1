"""Names for py-lmdb's classes, which take parameters only in its stubs."""

from typing import TypeAlias

import lmdb

Environment: TypeAlias = "lmdb.Environment"
Txn: TypeAlias = "lmdb.Transaction[bytes]"
Table: TypeAlias = "lmdb._Database"  # noqa: SLF001 - py-lmdb gives its handle no public name
Cursor: TypeAlias = "lmdb.Cursor[bytes]"
