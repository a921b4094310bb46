def _without_last(history):
    return History(*(column[:-1] for column in vars(history).values()))