"""Forgetting: what is to go, and taking it out of lake and database so that nothing else is lost.

The one room that deletes and replaces what lies in a lake. Who asks for it, and when, is the
business of `cli` and `orchestration`.
"""
