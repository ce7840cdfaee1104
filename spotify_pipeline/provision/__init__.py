"""Setting up and looking after what the pipeline runs on.

Here belongs what people do once or when something is wrong, by command and not by schedule.
"""
