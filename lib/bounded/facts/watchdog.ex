defmodule Bounded.Facts.Watchdog do
  @moduledoc false
  # The status of the watchdog of a node, for those who look at it from anywhere. The watchdog's process makes itself known here.

  @timeout_ms 100

  @doc "Makes the calling process, which answers `:status`, known as the watchdog of this node."
  def serve, do: :persistent_term.put(__MODULE__, self())

  @doc """
  The watchdog's status without what grew, or nil where none runs on this node or it does not answer within a tenth of a second.
  """
  def status do
    case :persistent_term.get(__MODULE__, nil) do
      nil -> nil
      pid -> pid |> GenServer.call(:status, @timeout_ms) |> Map.delete(:grew)
    end
  catch
    :exit, _ended_or_late -> nil
  end
end
