defmodule Quota.Account.BreachLog do
  @moduledoc false
  # Logs the breaches that are not raised as an error: of a process with `Quota.put_limit/2`, whose links and monitors see
  # only `:killed`, and in `mode: :observe`. A run that is stopped raises instead.

  alias Bounded.Native
  require Logger

  @doc """
  Logs the breach of `pid`, unless a breach of its label was logged in the last ten seconds or
  `config :bounded, log_breaches: false` is set.
  """
  def log(error, pid, enforced), do: start_writer(error, subject(pid, enforced), pid: pid)

  @doc "Logs a breach without a process. The line begins with `subject`, which states the consequence."
  def log(error, subject), do: start_writer(error, subject, [])

  defp start_writer(error, subject, metadata) do
    with true <- Application.get_env(:bounded, :log_breaches, true),
         left_out when is_integer(left_out) <- Native.breach_log_turn(:erlang.phash2(error.label)) do
      # In another process: a log handler may block or crash, and the caller still has to stop the work.
      spawn(__MODULE__, :write, [error, subject, metadata, left_out])
    end

    :ok
  rescue
    # The process table is full. The breach is reported by its event alone.
    SystemLimitError -> :ok
  end

  @doc false
  def write(error, subject, metadata, left_out) do
    Logger.error(subject <> Exception.message(error) <> left_out(left_out), metadata)
  end

  defp subject(pid, true), do: "Quota: #{inspect(pid)} was killed: "
  defp subject(pid, false), do: "Quota: #{inspect(pid)} goes on (mode: :observe): "

  defp left_out(0), do: ""
  defp left_out(count), do: ". #{count} earlier breaches of this label were not logged"
end
