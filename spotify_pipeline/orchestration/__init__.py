"""All that is Dagster: assets, checks, schedule, sensor, resources.

Thin on purpose: a step fetches its resources, calls a domain function and tells in metadata what
came of it. What the words mean lives in the rooms below, which import no Dagster.
"""
