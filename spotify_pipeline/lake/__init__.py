"""The object store and what lies in it: raw documents, attempts, batches and their manifests.

Objects are created if absent and never overwritten; `forgetting` alone deletes. Nothing here calls
Spotify, a database or Dagster; what a row is, is the contract's and the transform's business.
"""
