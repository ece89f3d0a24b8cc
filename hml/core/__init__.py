"""The framework: it knows the families of parts, and none of the parts."""
