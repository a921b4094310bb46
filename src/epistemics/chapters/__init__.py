"""What each chapter of the book computes: a folder a chapter, which ``contents`` names.

May import ``analysis`` and all below it. In a folder ``chapter`` goes from stored results to tables, numbers and
evidence, ``measured`` defines what it measures, and ``figures`` goes from tables to pictures and computes nothing.
``contents`` is the one list of them.
"""
