defmodule Quota.Watchdog.Options do
  @moduledoc false
  # The options of `Quota.Watchdog.start_link/1`, validated.

  defstruct [:kill_at, :mode, :protect, :handle, :per_minute, :root]

  @defaults [
    kill_at: 0.9,
    mode: :observe,
    protect: [],
    handle: nil,
    per_minute: 20,
    # For tests on recorded files of a kernel.
    root: "/"
  ]

  @doc "Returns the options as a struct. Raises `ArgumentError` for an unknown option or an invalid value."
  def validate!(options) do
    Quota.Options.keyword!(options)
    options = Keyword.validate!(options, @defaults)
    Enum.each(options, fn {name, value} -> check!(name, value) end)
    struct!(__MODULE__, options)
  end

  defp check!(:kill_at, value)
       when (is_float(value) and value > 0.0 and value < 1.0) or (is_integer(value) and value > 0),
       do: :ok

  defp check!(:kill_at, value),
    do:
      invalid!(
        :kill_at,
        value,
        "a fraction of the limit above 0.0 and below 1.0, or the bytes that must stay free, an integer above 0"
      )

  defp check!(:mode, value) when value in [:enforce, :observe], do: :ok
  defp check!(:mode, value), do: invalid!(:mode, value, ":enforce or :observe")

  defp check!(:protect, value) do
    unless is_list(value) and not List.improper?(value) and Enum.all?(value, &protectable?/1),
      do:
        invalid!(
          :protect,
          value,
          "a list of registered names, pids, {:ancestor, name or pid} and {module, function, arity}"
        )
  end

  defp check!(:handle, value) when is_nil(value) or is_function(value, 1), do: :ok
  defp check!(:handle, value), do: invalid!(:handle, value, "a function of one argument")

  defp check!(:per_minute, value) when is_integer(value) and value > 0, do: :ok
  defp check!(:per_minute, value), do: invalid!(:per_minute, value, "an integer above 0")

  defp check!(:root, _value), do: :ok

  defp protectable?(name) when is_atom(name) and name not in [nil, true, false], do: true
  defp protectable?(pid) when is_pid(pid), do: true
  defp protectable?({:ancestor, of}), do: is_atom(of) or is_pid(of)

  defp protectable?({module, function, arity}),
    do: is_atom(module) and is_atom(function) and is_integer(arity)

  defp protectable?(_other), do: false

  defp invalid!(name, value, wanted) do
    raise ArgumentError,
          "the option #{inspect(name)} of Quota.Watchdog must be #{wanted}, got: #{inspect(value, limit: 5, printable_limit: 80)}"
  end
end
