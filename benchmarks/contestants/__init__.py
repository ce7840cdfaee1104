"""What people would use instead of the pipeline, each written as its own documentation shows it.

A contestant does the same work as the pipeline's part that it is measured against, and no more: a
defined choice among rows with one id, odd values, checksums and manifests are not asked of it. It
imports nothing of the pipeline. How it is run and measured does not belong here.
"""
