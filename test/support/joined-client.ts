/** A client's state that follows a model of the server, without a link between them. */
import { applyFrame, joinRequest, newConversationState } from '../../src/client/index.ts'
import type { ServerFrame } from '../../src/protocol/server-frames.ts'
import { ConversationModel } from './conversation-model.ts'

/** A joined client, and the model that it hears. */
export function joinedClient(prepare: (model: ConversationModel) => void = () => {}) {
  const model = new ConversationModel()
  prepare(model)
  const client = { model, state: newConversationState, hear }
  function hear(frame: ServerFrame) {
    client.state = applyFrame(client.state, frame)
  }
  for (const frame of model.join(joinRequest(client.state))) hear(frame)
  model.show = hear
  return client
}
