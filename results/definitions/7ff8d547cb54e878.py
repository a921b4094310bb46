def table(modulus, operations, shuffled=False):
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(modulus), np.arange(modulus), indexing='ij'))
    questions, answers = ([], [])
    for index, operation in enumerate(operations):
        if operation == 'add':
            answer = (a + b) % modulus
        elif operation == 'mul':
            answer = a * b % modulus
        else:
            raise ValueError(f"operation {operation!r} is unknown; known: {', '.join(OPERATIONS)}")
        if shuffled:
            answer = np.random.default_rng([4, index]).permutation(answer)
        questions.append(np.stack([a, np.full_like(a, index), b], axis=1))
        answers.append(answer)
    return Table(modulus, operations, np.concatenate(questions), np.concatenate(answers))