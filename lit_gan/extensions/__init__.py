"""The paper's extensions, a file each."""
