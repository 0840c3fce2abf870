"""The background job: it finds out which NAS has something to do and has it worked, in one process or in many."""
