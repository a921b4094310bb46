def _record(state, rows):
    for history, row in zip(state.histories, rows, strict=True):
        history.step.append(state.step)
        history.train_loss.append(row[0])
        history.train_accuracy.append(row[1])
        history.validation_loss.append(row[2])
        history.validation_accuracy.append(row[3])