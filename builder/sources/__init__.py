"""Everything that comes from outside: each kind of source becomes a tree of verified bytes in the store."""
