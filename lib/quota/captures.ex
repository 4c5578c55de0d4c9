defmodule Quota.Captures do
  @moduledoc false
  # What a process is started with: the environment of its function, Logger metadata, inherited keys of the process
  # dictionary and its label. A spawn copies each of them, and the copy shares nothing: 640 bytes can become 16 TiB.
  # So they are measured in the caller, before anything is started, by the walk that measures results.

  # Bytes of a label that an error can carry whatever else is wrong.
  @short 1024

  # Bytes of the largest label.
  @label 64 * 1024

  alias Quota.{Context, ExceededError, FlatSize, Telemetry}

  @doc """
  Raises `Quota.ExceededError` in the caller unless `fun`, `context` and the label take at most `limit` bytes once copied.
  With `mode: :observe` it reports a breach instead, unless the copy would end the node.
  """
  def check!(fun, context, limit, options) do
    captured = captured(fun, context)

    if captured == [] and options.label == nil,
      do: :ok,
      else: check!([options.label | captured], limit, options)
  end

  @doc "The same of a process that limits itself: only its label is copied."
  def check_label!(limit, %{label: label} = options),
    do: if(label == nil, do: :ok, else: check!([label], limit, options))

  defp check!([label | _] = captured, limit, options) do
    cond do
      # It is kept natively, whatever the limit.
      not fits?(label, label, min(limit, @label)) ->
        exceeded(min(limit, @label), label)

      fits?(captured, label, limit) ->
        :ok

      options.mode == :observe and fits?(captured, label, FlatSize.deliverable()) ->
        observed(limit, label)

      true ->
        exceeded(limit, label)
    end
  end

  # What is left to walk through, so that the usual function, which captures nothing, costs nothing.
  defp captured(fun, context) do
    case :erlang.fun_info(fun, :env) do
      {:env, []} -> Context.captured(context)
      {:env, env} -> [env | Context.captured(context)]
    end
  end

  # The label is kept in the external term format, in which bytes of binaries are copied as well. Its size may be asked
  # for only now that the walk has bounded it.
  defp fits?(captured, label, limit),
    do:
      FlatSize.at_most?(captured, limit) and
        (label == nil or :erlang.external_size(label) <= limit)

  defp exceeded(limit, label) do
    error = ExceededError.captures(limit, short(label))
    Telemetry.breach(error, self(), self(), true)
    raise error
  end

  defp observed(limit, label) do
    limit
    |> ExceededError.captures(short(label))
    |> Telemetry.breach(self(), self(), false)
  end

  # A label may be what is too large.
  defp short(label), do: if(fits?(label, label, @short), do: label)
end
