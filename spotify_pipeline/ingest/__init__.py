"""From Spotify to raw documents: signing in, asking, and knowing when an answer is whole.

What the answers mean is the transform's business; here only what is needed to page through them
and to tell a complete capture from a partial one.
"""
