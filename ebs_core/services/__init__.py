"""The use cases: import and edit, plan and apply. They see templates and NASes only through ``ebs_core.ports``."""
