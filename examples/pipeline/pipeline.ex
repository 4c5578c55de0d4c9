defmodule Examples.Pipeline.Import do
  @moduledoc """
  A pipeline in the shape of Broadway: each message is handled in a limit of its own, and one that breaches *fails*. It goes to
  `handle_failed/1`, as a message that raises does, and is acknowledged there: nothing is lost, and the others of its batch go on.

  `Quota.put_limit/2` in a processor would be wrong: a breach would kill the processor with all messages that it holds.

  A message over its limit fails again when it is delivered again. Send it to a dead-letter queue instead of back to the queue it came
  from.
  """

  alias Examples.Pipeline.Message

  @limit Quota.mib(8)

  # With the library: `use Broadway`, and `handle_message(_processor, message, _context)`.
  def handle_message(%{data: data} = message) do
    case Quota.try_run(@limit, fn -> decode(data) end, label: "message", timeout: 5_000) do
      {:ok, rows} -> %{message | data: rows}
      {:error, error} -> Message.failed(message, error)
    end
  end

  @doc "Where each failed message goes, and what is noted of it."
  def handle_failed(messages) do
    for %{status: {:failed, reason}} = message <- messages do
      queue = if is_struct(reason, Quota.ExceededError), do: :dead_letters, else: :again
      %{message | destination: queue}
    end
  end

  defp decode(data), do: data |> String.split(",") |> Enum.map(&String.to_integer/1)
end

defmodule Examples.Pipeline.Message do
  @moduledoc false
  # Broadway.Message, as far as this recipe needs it.

  defstruct [:data, :destination, status: :ok]

  def failed(message, reason), do: %{message | status: {:failed, reason}}
end

defmodule Examples.Pipeline.Processor do
  @moduledoc false
  # What Broadway does around it: an exception fails the message, and every message is acknowledged once.

  alias Examples.Pipeline.Message

  def process(module, messages) do
    {done, failed} =
      messages |> Enum.map(&handle(module, &1)) |> Enum.split_with(&(&1.status == :ok))

    {done, module.handle_failed(failed)}
  end

  defp handle(module, message) do
    module.handle_message(message)
  rescue
    error -> Message.failed(message, error)
  end
end
