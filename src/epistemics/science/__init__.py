"""What one configuration computes: the task, the model, its training, and what is measured of a model.

Runs from a Python prompt and knows no file, no store and no book. Imports nothing else of the package.

In the order of a run: ``configuration`` (all that decides a result), ``operations`` (what can be learned), ``tasks``
(questions, answers, splits, batches), ``network`` (what all networks have in common: a stack of runs) and
``transformer``, ``penalty`` (adversarial training), ``training`` (AdamW, evaluation), ``layers`` (gradients by hand),
``grokking`` (what is seen of a training, and when it groks); then of a trained model ``geometry`` (directions, rank,
Fourier share), ``abliteration`` (projections and accuracy curves), ``residual_stream`` (cuts inside the model),
``noise`` (the gradient's noise scale) and ``measures``, the families of what is stored of it, and ``attacks``, one more
that a run asks for.
"""
