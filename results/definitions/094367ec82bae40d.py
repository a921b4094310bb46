def _learned(configuration, parameters):
    c = configuration
    questions = table(c.modulus, c.operations, c.shuffled_answers)
    training = training_rows(questions, c.train_fraction, c.seed)
    found = {}
    for operation in c.operations:
        rows = questions.rows_of(operation)
        states, answers = (final_states(c, parameters, questions.questions[rows]), questions.answers[rows])
        found[operation] = _Learned(states, answers, ~training[rows], *class_directions(states, answers, c.modulus))
    return found