"""The parts that hml brings itself. They enter through entry points like anyone else's."""
