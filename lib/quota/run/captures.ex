defmodule Quota.Run.Captures do
  @moduledoc false
  # Measures the terms with which a process starts: the environment of its function, Logger metadata, inherited keys of the
  # process dictionary and its label. A spawn copies each of them, and a copy loses sharing: 640 bytes can become 16 TiB. So
  # the caller measures them before it starts anything, as results are measured.

  # Bytes of the largest label that an error about captures repeats.
  @short 1024

  # Bytes of the largest label.
  @label 64 * 1024

  alias Quota.{ExceededError, Telemetry}
  alias Quota.Run.{Context, CopySize, FlatSize}

  @doc """
  Raises `Quota.ExceededError` in the caller unless the copies of `fun`, `context` and the label take at most `limit` bytes. With
  `mode: :observe` it reports a breach instead, unless the copy is so large that the node could fail. Returns whether `fun` and `context`
  have no term that users can make large.
  """
  def check!(fun, context, limit, options) do
    captured = captured(fun, context)

    unless captured == [] and options.label == nil,
      do: check!([options.label | captured], limit, options)

    captured == []
  end

  @doc "Checks the label alone, for `Quota.put_limit/2`, which copies nothing else."
  def check_label!(limit, %{label: label} = options),
    do: if(label == nil, do: :ok, else: check!([label], limit, options))

  defp check!([label | _] = captured, limit, options) do
    cond do
      # A label over 64 KiB is refused in either mode and with any limit: it is stored in native memory that is not charged.
      not label_fits?(label, min(limit, @label)) ->
        exceeded!(min(limit, @label), label)

      CopySize.at_most?(captured, limit) ->
        :ok

      options.mode == :observe and CopySize.at_most?(captured, FlatSize.deliverable()) ->
        observed(limit, label)

      true ->
        exceeded!(limit, label)
    end
  end

  # The terms to measure: none for the usual function, which captures nothing.
  defp captured(fun, context) do
    case :erlang.fun_info(fun, :env) do
      {:env, []} -> Context.captured(context)
      {:env, env} -> [env | Context.captured(context)]
    end
  end

  # The label is stored in the external term format, which includes the bytes of binaries. `external_size/1` is called only after
  # the size of the term was bounded.
  defp label_fits?(label, limit),
    do: FlatSize.at_most?(label, limit) and :erlang.external_size(label) <= limit

  @doc "Raises for captured terms whose copies take more than `limit` bytes, and reports that."
  @spec exceeded!(pos_integer, term) :: no_return
  def exceeded!(limit, label) do
    error = ExceededError.captures(limit, short(label))
    Telemetry.breach(error, self(), self(), true)
    raise error
  end

  defp observed(limit, label) do
    limit
    |> ExceededError.captures(short(label))
    |> Telemetry.breach(self(), self(), false)
  end

  # The label itself may be too large for the error.
  defp short(label), do: if(label_fits?(label, @short), do: label)
end
