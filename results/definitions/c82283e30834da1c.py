def table_of(configuration):
    c = configuration
    plain = table(c.modulus, c.operations, c.shuffled_answers, c.answer_classes)
    if c.flag == 'none':
        return plain
    flags = np.repeat([0, 1], len(plain.answers))
    flagged = np.full_like(plain.answers, c.modulus) if c.flag == 'refused' else plain.answers
    questions = np.column_stack([np.tile(plain.questions, (2, 1)), flags])
    return Table(c.modulus, c.operations, questions, np.concatenate([plain.answers, flagged]))