def table(modulus, operations, shuffled=False, classes=()):
    pairs = [grid.ravel() for grid in np.meshgrid(np.arange(modulus), np.arange(modulus), indexing='ij')]
    questions, answers = ([], [])
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            raise ValueError(f"operation {operation!r} is unknown; known: {', '.join(OPERATIONS)}")
        asked = (pairs[1] > 0) | (not OPERATIONS[operation].divides)
        a, b = (pairs[0][asked], pairs[1][asked])
        answer = OPERATIONS[operation].answer(a, b, modulus) % modulus
        if classes:
            answer = answer * classes[index] // modulus
        if shuffled:
            answer = np.random.default_rng([4, index]).permutation(answer)
        questions.append(np.stack([a, np.full_like(a, index), b], axis=1))
        answers.append(answer)
    return Table(modulus, operations, np.concatenate(questions), np.concatenate(answers))