"""What people look at: questions to the published tables, plots of the answers, and the report.

The questions are SQL files that both databases understand (`sql/`), with their columns described
beside them. What a published row is belongs to `loading` and the contract; what the UI shows of an
answer, and when, to `orchestration`. No Dagster.
"""
