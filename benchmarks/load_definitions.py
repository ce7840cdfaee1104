"""What a code server does first: the graph of the deployment that the environment picks."""

from spotify_pipeline.definitions import defs

if __name__ == "__main__":
    defs().get_repository_def()
