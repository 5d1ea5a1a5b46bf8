/**
 * The states of a turn and which may follow which. `admitted` is for a queue in front of the model; `streaming` says
 * that a model call may be under way, so that a process that finds it at start-up knows the call was lost.
 */
export type TurnState =
  | 'queued'
  | 'admitted'
  | 'streaming'
  | 'awaiting_approval'
  | 'completed'
  | 'stopped'
  | 'failed'
  | 'interrupted'

export type EndedState = Extract<TurnState, 'completed' | 'stopped' | 'failed' | 'interrupted'>

export function hasEnded(state: TurnState): state is EndedState {
  return state === 'completed' || state === 'stopped' || state === 'failed' || state === 'interrupted'
}
