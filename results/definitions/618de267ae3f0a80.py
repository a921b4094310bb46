def _record(state, rows):
    for history, row in zip(state.histories, rows, strict=True):
        history.step.append(state.step)
        history.train_loss.append(row[0])
        history.train_accuracy.append(_right(row[1], row[0]))
        history.validation_loss.append(row[2])
        history.validation_accuracy.append(_right(row[3], row[2]))