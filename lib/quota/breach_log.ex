defmodule Quota.BreachLog do
  @moduledoc false
  # One line for each breach that nobody is told of otherwise: of a process with a limit of its own, since whoever waits for
  # it sees `:killed`, and of what is only observed. A run that is stopped raises, and so is not logged.

  alias Bounded.Native
  require Logger

  @doc "Logs the breach of `pid`, unless its label had a line just now or `config :bounded, log_breaches: false` is set."
  def log(error, pid, enforced) do
    with true <- Application.get_env(:bounded, :log_breaches, true),
         left_out when is_integer(left_out) <- Native.breach_log_turn(:erlang.phash2(error.label)) do
      # A handler may take long or crash, and whoever reports a breach has something to do then.
      spawn(__MODULE__, :write, [error, pid, enforced, left_out])
    end

    :ok
  rescue
    # There are as many processes as there can be: this breach is told by its event alone.
    SystemLimitError -> :ok
  end

  @doc false
  def write(error, pid, enforced, left_out) do
    Logger.error(line(error, pid, enforced, left_out), pid: pid)
  end

  defp line(error, pid, enforced, left_out) do
    "Quota: #{inspect(pid)} #{if enforced, do: "was killed", else: "goes on, for it is only observed"}: " <>
      Exception.message(error) <> left_out(left_out)
  end

  defp left_out(0), do: ""
  defp left_out(count), do: ". #{count} more of this label are not logged"
end
