def named(definition):
    module, _, name = definition.rpartition('.')
    return getattr(import_module(f'epistemics.{module}'), name)