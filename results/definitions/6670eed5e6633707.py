def sampler_of(configuration, questions):
    c = configuration
    training = training_rows(questions, c.train_fraction, c.seed)
    if not c.shares:
        return EpochSampler(np.flatnonzero(training), c.batch_size, c.seed)
    own = [np.flatnonzero(training & (questions.questions[:, 1] == index)) for index in range(len(c.operations))]
    return ShareSampler(own, c.shares, c.batch_size, c.seed)