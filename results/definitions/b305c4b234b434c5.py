def _learned(configuration, parameters):
    c = configuration
    questions = table_of(c)
    training = training_rows(questions, c.train_fraction, c.seed)
    found = {}
    for operation, classes in zip(c.operations, c.answer_classes or [c.modulus] * len(c.operations), strict=True):
        rows = questions.rows_of(operation)
        states, answers = (final_states(c, parameters, questions.questions[rows]), questions.answers[rows])
        found[operation] = _Learned(states, answers, ~training[rows], *class_directions(states, answers, classes))
    return found