"""What people and programs use around the services: the `tuidan` command and everything it runs."""
