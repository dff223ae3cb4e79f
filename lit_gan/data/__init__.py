"""The data modules: whole data sets in memory, a batch is one gather."""
