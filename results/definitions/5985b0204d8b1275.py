def measure_noise(configuration, parameters):
    c = configuration
    questions = table_of(c)
    training = training_rows(questions, c.train_fraction, c.seed)
    measures = {}
    for operation in c.operations:
        rows = questions.rows_of(operation)
        seen = rows[training[rows]]
        small, large = (squared_gradients(c, parameters, questions.questions[seen], questions.answers[seen], size) for size in (SMALL, LARGE))
        measures[operation] = Noise(gradient_small=small, gradient_large=large)
    return measures