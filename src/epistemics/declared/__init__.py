"""What is to be run and what is claimed, before anything runs: files to frozen values, errors by name.

May import ``study``, and of ``store`` how files are written. ``project`` finds the files and the profile,
``experiments`` reads what is to be run, ``sections`` reads a file's keys and says what is wrong with them, ``schema``
tells an editor the same.
"""
