"""Files from anywhere, scored as the official programs score them: what `stilts score` does.

`request` says what is scored, `score` joins files to the scorers, `embeddings` scores vectors, `batch` scores many
requests and `submission` whole folders of predictions.
"""
