"""Every performance figure of the project, each by one command."""
