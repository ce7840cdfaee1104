"""What runs the transform (`lake.batch.Engine`): it reads raw documents of the lake and writes the
files of batches into it. Which days and which batches is `lake.batch`'s business.

`embedded` (with `plan`) and `spark` are engines; `glue` is the Glue job as seen from here,
`glue_job` what it runs there with `spark`, `glue_request` what they say to each other.
"""
