"""What readers get besides the chapters' pages, and what a render needs before it starts.

May import all rooms but ``cli``. ``variables`` writes the numbers of the prose and the CSV files, ``chapter_keys``
says what a chapter depends on, ``quarto`` makes Quarto's caches follow it, ``run_pages`` and ``source_pages`` write a
page a run and a module, ``entries`` names the log's entries, ``feed`` writes the feed and ``llms.txt``, ``readme``
the tables of the README, ``archive`` makes a folder to deposit and ``crate`` describes it, ``changes`` compares the
book with what it was at a commit.
"""
