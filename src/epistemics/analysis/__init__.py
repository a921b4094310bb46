"""What every chapter uses to make numbers and pictures of stored runs.

May import ``lab``, ``declared``, ``store`` and ``science``. ``stored_runs`` loads an experiment's results, ``tables``
holds rows and says numbers and ranges as text, ``claims`` judges what the log claims, ``style`` and ``interactive``
are the look of figures, ``provenance_line`` is the line below one.
"""
