def training_rows(questions, train_fraction, seed):
    generator = np.random.default_rng([seed, 1])
    training = np.zeros(len(questions.answers) // questions.asked, dtype=bool)
    for operation in questions.operations:
        rows = generator.permutation(questions.rows_of(operation))
        training[rows[:round(train_fraction * len(rows))]] = True
    return np.tile(training, questions.asked)