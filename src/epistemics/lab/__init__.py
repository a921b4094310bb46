"""Who trains what, and where.

May import ``declared``, ``study`` and ``store``. ``status`` says which results are missing or stale and ``why`` says
what changed. ``scheduler`` shares runs out to processes, ``worker`` is such a process, ``checkpoint`` is what it keeps
to go on from and ``moments`` what it keeps to measure, ``progress`` and ``speed`` say how far it is and how long it
takes. ``elsewhere`` is a run on another machine and ``ray_cluster`` many of them. ``canary`` repeats a run's first
steps, ``adoption`` seals what comes out the same, ``verification`` makes results again from nothing, ``provenance``
says where one was made. ``parts`` says what a result is made of and what readers rely on, ``migration`` converts those
of an older format.
"""
