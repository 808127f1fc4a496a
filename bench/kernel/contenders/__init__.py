"""One file a contender; only the process that measures one imports it."""
