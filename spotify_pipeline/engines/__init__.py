"""What runs the transform: adapters that read raw lines and write CSV, one per engine.

An engine takes files and gives files (`lake.batch.Engine`); it knows no keys, batches or Dagster.
"""
